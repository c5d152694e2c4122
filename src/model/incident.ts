/**
 * Incidents: what a person must know of. Each is one time that a condition held.
 *
 *   (condition holds) ─▶ open ─▶ resolved
 *                         │  acked by a person: seen, still open
 */

/** `critical`: wake somebody. `warning`: it can wait for the morning. */
export type Severity = 'warning' | 'critical'
export const severities = ['warning', 'critical'] as const satisfies readonly Severity[]
