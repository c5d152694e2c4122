/** Byte links over Unix sockets as an argument (the outside is reached by the gate's undici only). */
export interface Link {
  /** False when the other side is slow: stop writing until `onDrain`. Bytes written after close are dropped. */
  write(text: string): boolean
  close(): void
  /** Bytes that were written and not yet taken by the other side. */
  readonly pendingBytes: number
  onData(listener: (chunk: Uint8Array) => void): void
  onDrain(listener: () => void): void
  /** Called once, whatever ended the link. */
  onClose(listener: (cause: Error | undefined) => void): void
}

export interface Listening {
  close(): Promise<void>
}

export interface Net {
  /** Rejects when nobody listens. */
  connect(socketPath: string): Promise<Link>
  /** Takes over a stale socket file; the socket is made with mode 0600. */
  listen(socketPath: string, accept: (link: Link) => void): Promise<Listening>
}
