import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Ids of other processes that have a file open, as far as this one may see them: Linux shows it in /proc. */
export function processesWith ({ dev, ino }: Pick<Stats, 'dev' | 'ino'>, proc = '/proc'): number[] {
  return processesWhere(descriptor => {
    const file = statSync(descriptor)
    return file.dev === dev && file.ino === ino
  }, proc)
}

/** The same of a file that was removed, by the path that it had. */
export function processesWithRemoved (path: string, proc = '/proc'): number[] {
  const removed = `${join(realpathSync(dirname(path)), basename(path))} (deleted)`
  return processesWhere(descriptor => readlinkSync(descriptor) === removed, proc)
}

function processesWhere (isIt: (descriptor: string) => boolean, proc: string): number[] {
  const isOpenIn = (pid: string): boolean => unlessHidden(() => readdirSync(`${proc}/${pid}/fd`), []).some(name => unlessHidden(() => isIt(`${proc}/${pid}/fd/${name}`), false))
  return unlessHidden(() => readdirSync(proc), [])
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid && isOpenIn(name) && !isEngine(`${proc}/${name}`)).map(Number)
}

/** One that checks or copies the database beside this is no application. */
const isEngine = (folder: string): boolean => /engine\/child\.[jt]s\0(low|normal)/.test(unlessHidden(() => readFileSync(`${folder}/cmdline`, 'latin1'), ''))

/** Processes come and go, and those of others do not show what they have open. */
function unlessHidden<T> (look: () => T, hidden: T): T {
  try {
    return look()
  } catch {
    return hidden
  }
}
