"""What is said of intake's HTTP interface: its OpenAPI document (`document`) and what that is made from."""
