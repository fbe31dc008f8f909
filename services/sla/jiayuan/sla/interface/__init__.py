"""What is said of sla's HTTP interface: its OpenAPI document (`document`) and what that is made from."""
