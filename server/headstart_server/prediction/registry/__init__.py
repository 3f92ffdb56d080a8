"""Model versions in the database: ``versions`` stores, promotes and loads them; ``records`` is the data they hold."""
