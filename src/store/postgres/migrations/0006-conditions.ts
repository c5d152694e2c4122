/** Migration 6 is SQLite's alone: PostgreSQL looks a list through where it stands. The number is kept for both. */
export const conditions = 'SELECT 1;'
