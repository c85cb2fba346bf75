import { join } from 'node:path'
import t from 'tap'
import { isBalanced, makeBank } from '../helpers/bank.ts'
import { integrityOf } from '../helpers/databases.ts'
import { builtWriterFor } from '../helpers/built.ts'
import { testFolder } from '../helpers/folder.ts'
import { download } from '../helpers/round-trip.ts'
import { BackgroundScript } from '../helpers/run-script.ts'

const SNAPSHOTS = 50

for (const journalMode of ['wal', 'delete'] as const) {
  t.test(`${SNAPSHOTS} snapshots beside a process that commits without pause, journal mode ${journalMode}`, async t => {
    const folder = testFolder(t)
    const path = join(folder, 'app.db')
    makeBank(path, { journalMode })
    const bank = await BackgroundScript.start<{ acknowledged: number, errors: number }>(t, 'transfer-forever', path)
    const writer = builtWriterFor(t, path)
    for (let number = 0; number < SNAPSHOTS; number++) t.match(await writer.createSnapshot(`number-${number}`), { status: 'COMPLETED' })
    const { acknowledged, errors } = await bank.stop()
    let sound = 0
    for (let number = 0; number < SNAPSHOTS; number++) {
      const copy = join(folder, `copy-${number}.db`)
      await download(writer, `number-${number}`, copy)
      if (isBalanced(copy) && integrityOf(copy) === 'ok') sound++
    }
    t.equal(sound, SNAPSHOTS)
    t.equal(errors, 0, 'the writer never saw an error')
    t.ok(acknowledged > SNAPSHOTS, `the writer went on meanwhile: ${acknowledged} commits`)
  })
}
