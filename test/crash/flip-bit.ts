import { closeSync, openSync, readSync, writeSync } from 'node:fs'

/** Turns one bit of a file around, and nothing else. */
export function flipBitOf (file: string, bit: number): void {
  const descriptor = openSync(file, 'r+')
  const byte = Buffer.alloc(1)
  readSync(descriptor, byte, 0, 1, bit >> 3)
  byte[0] = (byte[0] as number) ^ 1 << (bit & 7)
  writeSync(descriptor, byte, 0, 1, bit >> 3)
  closeSync(descriptor)
}
