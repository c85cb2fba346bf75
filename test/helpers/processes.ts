import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until something is so, and fails with its description if it never is. */
export async function until (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 3000; tries++) {
    if (await isSo()) return
    await sleep(10)
  }
  throw new Error(`never: ${what}`)
}

/** Processes whose command line names an engine at work for one of the given hosts, dead or alive. */
export function enginesOf (host: number): number[] {
  return readdirSync('/proc').filter(entry => /^\d+$/.test(entry)).map(Number).filter(pid => {
    const status = read(`/proc/${pid}/status`)
    return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) === host && /engine.child/.test(read(`/proc/${pid}/cmdline`))
  })
}

/** How many descriptors of a file a process has open. */
export function descriptorsOf (pid: number, file: string): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).filter(descriptor => linkOf(`/proc/${pid}/fd/${descriptor}`) === file).length
  } catch {
    return 0
  }
}

export const isAlive = (pid: number): boolean => /^State:\s+[^ZX]/m.test(read(`/proc/${pid}/status`))

function read (file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function linkOf (path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
