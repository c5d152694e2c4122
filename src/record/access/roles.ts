/** Roles of those who ask from outside. What each may do at a door stands at that door. */

export const roles = ['viewer', 'operator', 'approver', 'auditor', 'admin'] as const
export type Role = (typeof roles)[number]

export const isRole = (text: string): text is Role => (roles as readonly string[]).includes(text)
