import { readdirSync, statSync, type Stats } from 'node:fs'

/** Ids of other processes that have a file open, as far as this one may see them: Linux shows it in /proc. */
export function processesWith ({ dev, ino }: Pick<Stats, 'dev' | 'ino'>, proc = '/proc'): number[] {
  const isIt = (descriptor: string): boolean => {
    const file = statSync(descriptor)
    return file.dev === dev && file.ino === ino
  }
  const isOpenIn = (pid: string): boolean => unlessHidden(() => readdirSync(`${proc}/${pid}/fd`), []).some(name => unlessHidden(() => isIt(`${proc}/${pid}/fd/${name}`), false))
  return unlessHidden(() => readdirSync(proc), []).filter(name => /^\d+$/.test(name) && Number(name) !== process.pid && isOpenIn(name)).map(Number)
}

/** Processes come and go, and those of others do not show what they have open. */
function unlessHidden<T> (look: () => T, hidden: T): T {
  try {
    return look()
  } catch {
    return hidden
  }
}
