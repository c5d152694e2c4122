/** Something that runs between start and stop. Stopping what never started, or twice, is fine. */
export interface Service {
  stop(): Promise<void> | void
}

/** Runs the stops in reverse order of opening; every one is tried, the first error is thrown at the end. */
export const stopAll = async (services: readonly Service[]): Promise<void> => {
  const errors: unknown[] = []
  for (const service of services.toReversed()) {
    try {
      await service.stop()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
