import { readFileSync } from 'node:fs'
import { enginesOf } from '../helpers/processes.ts'

const SAMPLE_MS = 5

/** Peak resident bytes of a process; 0 once it is gone, or where there is no /proc. */
export const peakMemoryOf = (pid: number): number => bytesOf(pid, /^VmHWM:\s+(\d+)/m)

/** Resident bytes of a process now. */
export const memoryOf = (pid: number): number => bytesOf(pid, /^VmRSS:\s+(\d+)/m)

function bytesOf (pid: number, field: RegExp): number {
  try {
    return Number(field.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** Peak resident bytes of any engine that works for a process meanwhile. */
export async function peakMemoryOfEngines (host: number, work: () => Promise<unknown>): Promise<number> {
  return await highest(SAMPLE_MS, () => Math.max(0, ...enginesOf(host).map(peakMemoryOf)), work)
}

/** The highest of the values that something has during some work. */
export async function highest (everyMs: number, sample: () => number, work: () => Promise<unknown>): Promise<number> {
  let peak = 0
  const timer = setInterval(() => { peak = Math.max(peak, sample()) }, everyMs)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return peak
}
