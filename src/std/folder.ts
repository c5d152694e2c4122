/** A folder of files that only grow, as an argument: for logs, which are appended, rotated and read by range. */
export interface FolderFile {
  readonly name: string
  readonly bytes: number
  /** Wall ms of the last write. */
  readonly changedMs: number
}

/** Every call may reject with the system's error as it is. Names have no separators; a link is never followed. */
export interface Folder {
  /** The regular files in it, sorted by name; empty when the folder is absent. */
  list(): Promise<readonly FolderFile[]>
  /**
   * Appends all of it or nothing (what a full disk took of it is cut off again); resolves with the file's size. A new
   * file is made with mode 0600. Not durable before the system writes it back.
   */
  append(name: string, bytes: Uint8Array): Promise<number>
  rename(from: string, to: string): Promise<void>
  remove(name: string): Promise<void>
  /** Writes `to` as the zstd of `from`; `to` is there whole or not at all, `from` stays. */
  compress(from: string, to: string): Promise<void>
  /**
   * Bytes from an offset to the end that the file had when it was opened; of a `.zst` those of what was compressed.
   * Nothing when there is no such file, or it is no regular one.
   */
  read(name: string, from: number): AsyncIterable<Uint8Array>
}
