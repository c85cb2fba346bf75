import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { makeBank } from '../helpers/bank.ts'
import { SnapshotWriter } from '../helpers/built.ts'
import { enginesOf, isAlive, until } from '../helpers/processes.ts'
import { BUSY_OPTIONS } from './busy-options.ts'
import { Ledger } from './ledger.ts'

export interface RandomKills {
  kills: number
  /** Of those, how many hit an engine first. */
  ofEngines: number
  /** Kills in the middle of something that changes the live database, and such that were settled as applied. */
  interrupted: number
  applied: number
  acknowledged: number
  problems: string[]
}

/** An engine is the first to be killed as often as this. */
const ENGINE_SHARE = 0.4

/** Kills a busy host, and its engines, at random moments, while an application commits. */
export async function killAtRandom (folder: string, kills: number, onProblem: (problem: string) => void = () => {}): Promise<RandomKills> {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'app.db')
  makeBank(path, { rows: 1000 })
  const first = new SnapshotWriter({ database: path })
  await first.createSnapshot('first')
  await first.close()
  const application = fork(fileOf('./application.ts'), [path])
  await once(application, 'message')
  const ledger = new Ledger(folder)
  const result: RandomKills = { kills, ofEngines: 0, interrupted: 0, applied: 0, acknowledged: 0, problems: [] }
  try {
    for (let kill = 1; kill <= kills; kill++) {
      if (await runAndKill(path)) result.ofEngines++
      const acknowledged = await pause(application)
      for (const problem of await look(path, ledger, acknowledged, result)) {
        result.problems.push(`kill ${kill}: ${problem}`)
        onProblem(`kill ${kill}: ${problem}`)
      }
      application.send('resume')
    }
  } finally {
    application.kill('SIGKILL')
  }
  result.acknowledged = ledger.acknowledged
  return result
}

/** @returns whether an engine was killed first */
async function runAndKill (path: string): Promise<boolean> {
  const host = fork(fileOf('./busy-host.ts'), [path])
  const ended = once(host, 'exit')
  const pid = host.pid as number
  await once(host, 'message')
  const begun = performance.now()
  await once(host, 'message')
  await sleep(Math.random() * 3 * (performance.now() - begun))
  const engines = enginesOf(pid)
  const isEngineFirst = engines.length > 0 && Math.random() < ENGINE_SHARE
  if (isEngineFirst) {
    process.kill(engines[0] as number, 'SIGKILL')
    await sleep(Math.random() * 100)
    engines.push(...enginesOf(pid))
  }
  host.kill('SIGSTOP') // from here on it begins no other engine
  engines.push(...enginesOf(pid))
  host.kill('SIGKILL')
  await ended
  await until('the engines have ended with their host', () => !engines.some(isAlive))
  return isEngineFirst
}

async function pause (application: ChildProcess): Promise<number[]> {
  const answered = once(application, 'message') as Promise<[number[]]>
  application.send('pause')
  return (await answered)[0]
}

async function look (path: string, ledger: Ledger, acknowledged: number[], result: RandomKills): Promise<string[]> {
  const writer = new SnapshotWriter({ database: path, ...BUSY_OPTIONS })
  try {
    const underWay = writer.recovery.listRestores().filter(({ status }) => !['SUCCESS', 'FAILED', 'ROLLED_BACK'].includes(status)).map(({ id }) => id)
    await writer.settle()
    const settled = writer.recovery.listRestores().filter(({ id }) => underWay.includes(id))
    result.interrupted += underWay.length
    result.applied += settled.filter(({ status }) => status === 'SUCCESS').length
    return await ledger.findProblems(writer, acknowledged)
  } catch (error) {
    return [`nothing can be settled: ${String(error)}`]
  } finally {
    await writer.close()
  }
}

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
