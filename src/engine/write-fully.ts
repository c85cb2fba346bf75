import type { FileHandle } from 'node:fs/promises'

/** Writes all of some bytes: a disk that is becoming full may take a part of them first. */
export async function writeFully (handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let written = 0; written < bytes.length;) written += (await handle.write(bytes, written, bytes.length - written, offset + written)).bytesWritten
}
