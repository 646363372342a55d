"""What every route needs: problems, middleware, dependencies."""
