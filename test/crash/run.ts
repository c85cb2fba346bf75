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
 *   npm run test:crash                    each operation at each of its steps, then 100 kills at random moments
 *   npm run test:crash -- --kills 1000    as many at random moments
 *   npm run test:crash -- --only flips     10,000 single bits that are turned around in what is stored
 *   npm run test:crash -- --only reset    only the operations whose names contain this; `random` for the kills at random moments alone
 */
const { values: { only, kills = '100', flips = '10000' } } = parseArgs({ options: { only: { type: 'string' }, kills: { type: 'string' }, flips: { type: 'string' } } })
const folder = mkdtempSync(join(tmpdir(), 'crash-'))
process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })

let [killed, failed] = [0, 0]
for (const name of Object.keys(operations).filter(name => only === undefined || name.includes(only))) {
  const { steps, kills: tried } = await killEverywhere(join(folder, name), name, undefined, ({ at, whom, problems }) => {
    for (const problem of problems) console.log(`  ${at}, ${whom} killed: ${problem}`)
  })
  const bad = tried.filter(({ problems }) => problems.length > 0).length
  console.log(`${name}: ${steps} steps, ${tried.length} kills, ${bad} of them with problems`)
  killed += tried.length
  failed += bad
}
console.log(`\nAt every step: ${killed} kills, ${failed} with problems`)

const randomKills = only === undefined || only === 'random' ? Number(kills) : 0
if (randomKills > 0) {
  const { ofEngines, restores, interrupted, applied, acknowledged, problems } = await killAtRandom(join(folder, 'random'), randomKills, problem => { console.log(`  ${problem}`) })
  console.log(`At random moments: ${randomKills} kills, ${ofEngines} of them of an engine first; of ${restores} restores and rollbacks ${interrupted} were interrupted and settled, ${applied} of them as applied; ${acknowledged} commits were acknowledged to the application; ${problems.length} problems`)
  failed += problems.length
}
if (only === undefined || only === 'flips') {
  const { counts, problems } = await flipBits(join(folder, 'flips'), Number(flips), availableParallelism(), problem => { console.log(`  ${problem}`) })
  console.log(`Bit flips: ${flips}, ${problems} with problems\n${describe(counts).join('\n')}`)
  failed += problems
}
if (failed > 0) process.exitCode = 1
