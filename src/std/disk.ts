/** Files as an argument. Paths are absolute; every call may reject with the system's error as it is. */
export interface Disk {
  readText(path: string): Promise<string>
  /** Text, or undefined when there is no such file; any other error rejects (unreadable is not absent). */
  readTextIfThere(path: string): Promise<string | undefined>
  /**
   * Writes a whole file so that a crash leaves the old or the new one: temporary file, fsync, rename, fsync of the
   * folder.
   */
  writeWhole(path: string, text: string, mode: number): Promise<void>
  /** Appends and fsyncs before it resolves; a new file is made with mode 0600. */
  append(path: string, text: string): Promise<void>
  makeDirectory(path: string, mode: number): Promise<void>
  /** Names in a folder, sorted; empty when the folder is absent. */
  list(path: string): Promise<readonly string[]>
  exists(path: string): Promise<boolean>
  remove(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
}
