/** When the server's plan for a prepared statement is to be made anew, and how a statement keeps it off an index. */

/**
 * The server plans a prepared statement for the tables as they are, and keeps the plan: on a table that was empty it
 * takes whichever index is smallest, and a turn takes twice as long (50 tasks: 77 µs each instead of 36). So each
 * statement is prepared anew after 10, 100, 1,000 … uses.
 */
export const isRound = (uses: number): boolean => uses >= 10 && Number.isInteger(Math.log10(uses))

/**
 * A state to compare with that no partial index is taken for: each of those holds few rows by the server's reckoning,
 * and it would rather walk through all of them than look up one id.
 */
export const plainState = (state: string): string => `COALESCE(${state}, '')`
