import { open } from 'node:fs/promises'

/** Makes new, renamed and removed entries of a folder survive a crash of the machine. */
export async function syncFolder (folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
