import Database from 'better-sqlite3'
import fc from 'fast-check'
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { builtWriterFor } from '../helpers/built.ts'
import { filesIn } from '../helpers/damage.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { download } from '../helpers/round-trip.ts'

t.test('in whatever order snapshots are made and deleted, the others restore and no pack is left over', async t => {
  let number = 0
  const folder = testFolder(t)
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('create' as const), full: fc.constantFrom(false, false, false, true), rows: fc.integer({ min: 0, max: 20 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('lose the cache' as const, 'start again' as const) }) }
  )
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async steps => {
    const path = join(folder, String(number++), 'app.db')
    const application = makeDatabaseAt(path)
    let writer = builtWriterFor(t, path)
    const contents = new Map<string, Record<string, string>>()
    try {
      for (const [index, action] of steps.entries()) {
        if (action.do === 'create') {
          application.prepare('UPDATE items SET text = ? WHERE id % 20 < ?').run(`at ${index}`, action.rows)
          const { id } = await writer.createSnapshot(undefined, { full: action.full })
          contents.set(id, contentOf(path))
        } else if (action.do === 'delete' && contents.size > 0) {
          const id = [...contents.keys()][action.which % contents.size] as string
          await writer.deleteSnapshot(id)
          contents.delete(id)
        } else if (action.do === 'lose the cache') {
          rmSync(join(folder, String(number - 1), 'backups', '.cache'), { recursive: true, force: true })
        } else if (action.do === 'start again') {
          await writer.close()
          writer = builtWriterFor(t, path)
        }
      }
      for (const [id, content] of contents) {
        const file = join(dirname(path), 'downloaded.db')
        await download(writer, id, file)
        t.same(contentOf(file), content)
        t.match(await writer.verifySnapshot(id), { isHealthy: true })
      }
      for (const id of contents.keys()) await writer.deleteSnapshot(id)
      t.same(filesIn(join(folder, String(number - 1), 'backups')), [], 'nothing is stored any more')
    } finally {
      application.close()
      await writer.close()
    }
  }), { numRuns: 6 })
})

function makeDatabaseAt (path: string): Database.Database {
  mkdirSync(dirname(path))
  return makeDatabase(path, { rows: 400 })
}
