import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes new, renamed and removed entries of a folder survive a crash of the machine. */
export async function syncFolder (folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a folder with those above it, durably, for the owner only. */
export async function makeFolder (folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
}
