import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describe, flipBits } from './bit-flips.ts'
import { killEverywhere } from './matrix.ts'
import { operations } from './operations.ts'
import { killAtRandom } from './random-kills.ts'

/*
 * Kills the package wherever it may be, and looks at what is left.
 *
 *   npm run test:crash                    each operation at each of its steps, and 100 kills at random moments
 *   npm run test:crash -- --kills 1000    as many at random moments
 *   npm run test:crash -- --only reset    only what has this in its name, such as `a reset`, `random moments` or `flips`
 *
 * Besides, 10,000 single bits are turned around in what is stored (`--flips`).
 */
const { values: { only = '', kills, flips } } = parseArgs({ options: { only: { type: 'string' }, kills: { type: 'string', default: '100' }, flips: { type: 'string', default: '10000' } } })
const folder = mkdtempSync(join(tmpdir(), 'crash-'))
process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })

let [killed, failed] = [0, 0]
const report = (what: string, problem: string): void => { console.log(`  ${what}: ${problem}`) }

async function atEachStep (name: string): Promise<void> {
  const { steps, kills } = await killEverywhere(join(folder, name), name, undefined, ({ at, whom, problems }) => {
    for (const problem of problems) report(`${name}, ${at}, ${whom} killed`, problem)
  })
  const bad = kills.filter(({ problems }) => problems.length > 0).length
  console.log(`${name}: ${steps} steps, ${kills.length} kills, ${bad} of them with problems`)
  killed += kills.length
  failed += bad
}

async function atRandomMoments (): Promise<void> {
  const { ofEngines, interrupted, applied, acknowledged, problems } = await killAtRandom(join(folder, 'random'), Number(kills), problem => { report('at random moments', problem) })
  console.log(`at random moments: ${kills} kills, ${ofEngines} of them of an engine first; ${interrupted} restores and rollbacks were interrupted, ${applied} of them had been applied; the application was told of ${acknowledged} commits; ${problems.length} problems`)
  failed += problems.length
}

async function bitFlips (): Promise<void> {
  const { counts, problems } = await flipBits(join(folder, 'flips'), Number(flips), availableParallelism(), problem => { report('flips', problem) })
  console.log(`bit flips: ${flips}, ${problems} with problems\n${describe(counts).join('\n')}`)
  failed += problems
}

const runs = [
  ...Number(kills) > 0 ? [['at random moments', atRandomMoments] as const] : [],
  ...Number(flips) > 0 ? [['bit flips', bitFlips] as const] : [],
  ...Object.keys(operations).map(name => [name, async () => { await atEachStep(name) }] as const)
].filter(([name]) => name.includes(only))
await Promise.all(Array.from({ length: availableParallelism() }, async () => {
  for (let next = runs.shift(); next !== undefined; next = runs.shift()) await next[1]()
}))
console.log(`\nAt each step: ${killed} kills. Problems in all: ${failed}`)
if (failed > 0) process.exitCode = 1
