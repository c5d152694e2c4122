/** Migration 7 changes nothing: its number was given away before its work was done. */
export const reserved = 'SELECT 1;'
