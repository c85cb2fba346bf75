import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, fstatSync } from 'node:fs'
import { copyFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The descriptor names the file itself, whatever takes its place at its path meanwhile. */
const CLONE = "fs.copyFileSync('/proc/self/fd/3', process.argv[1], fs.constants.COPYFILE_EXCL | Number(process.argv[2]))"

/**
 * Makes a new file that shares the blocks of an open one until either is written to, where the file system can do that.
 * Another process does it: closing any descriptor of a database file drops the locks that this process has on it.
 * @param clone nothing exists there yet, and nothing does where false is returned
 * @param mode how to copy; a test has to do with file systems that share nothing
 */
export async function cloneFile (descriptor: number, clone: string, mode = constants.COPYFILE_FICLONE_FORCE): Promise<boolean> {
  if (!await canClone(descriptor, clone, mode)) return false
  const child = spawn(process.execPath, ['--eval', CLONE, clone, String(mode)], { stdio: ['ignore', 'ignore', 'ignore', descriptor] })
  const [code] = await once(child, 'close').catch(() => []) as Array<number | undefined>
  if (code === 0) return true
  await rm(clone, { force: true })
  return false
}

/** Tries it with a small file first, as a process is not to be had for nothing. */
async function canClone (descriptor: number, clone: string, mode: number): Promise<boolean> {
  if (fstatSync(descriptor).dev !== (await stat(dirname(clone))).dev) return false
  const [probe, cloned] = [`${clone}.probe`, `${clone}.probe-clone`]
  await writeFile(probe, 'a file of our own', { mode: 0o600 })
  const isPossible = await copyFile(probe, cloned, mode).then(() => true, () => false)
  for (const made of [probe, cloned]) await rm(made, { force: true })
  return isPossible
}
