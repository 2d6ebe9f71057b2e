"""The object store: the Azure Blob REST API over files."""
