"""What is said of routing's HTTP interface: its OpenAPI document (`document`) and what that is made from."""
