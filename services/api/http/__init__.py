"""What every route needs: problems, descriptions, middleware, dependencies."""
