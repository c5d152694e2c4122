/** Imported by vm-witness.ts. */
export const doubled = (value: number): number => value * 2
