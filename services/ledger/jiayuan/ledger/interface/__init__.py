"""What is said of the ledger's HTTP interface: its OpenAPI document (`document`) and what that is made from."""
