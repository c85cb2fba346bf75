import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { putFile } from '../../../src/storage/put-file.ts'
import { keysOf, read, text, type Declare } from './helpers.ts'
import { testFolder } from '../../helpers/folder.ts'

/** A complete file, as an engine leaves it, in a folder of its own. */
function makeFile (t: Test, content: string, parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'put-file-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  writeFileSync(join(folder, 'file'), content)
  return join(folder, 'file')
}

export function puttingFiles (promise: Declare): void {
  promise('a local file is stored, from whatever disk it is on', async (t, storage) => {
    for (const parent of [testFolder(t), '/dev/shm', tmpdir()].filter(existsSync)) {
      t.same(await putFile(storage, 'app/object', makeFile(t, `from ${parent}`, parent), {}), { bytes: 5 + parent.length })
      t.equal(await text(storage, 'app/object'), `from ${parent}`)
    }
    t.same(await keysOf(storage, ''), ['app/object'])
  })

  promise('with ifAbsent a local file replaces no object', async (t, storage) => {
    await putFile(storage, 'app/object', makeFile(t, 'first', testFolder(t)), { ifAbsent: true })
    await t.rejects(putFile(storage, 'app/object', makeFile(t, 'second', t.testdirName), { ifAbsent: true }), { code: 'FST_SNAPSHOT_STORAGE_EXISTS' })
    t.equal(await text(storage, 'app/object'), 'first')
  })

  promise('a local file that is not there, or not wanted any more, leaves nothing', async (t, storage) => {
    await t.rejects(putFile(storage, 'app/object', join(tmpdir(), 'nothing-here'), {}))
    await t.rejects(putFile(storage, 'app/object', makeFile(t, 'content'), { signal: AbortSignal.abort(new Error('changed my mind')) }), { message: 'changed my mind' })
    t.same(await keysOf(storage, ''), [])
  })
}

export function readingFiles (promise: Declare): void {
  promise('the file of an object, where there is one, holds its bytes, and of a missing object there is none', async (t, storage) => {
    await storage.put('app/object', Buffer.from('first'))
    await storage.put('app/object', Buffer.from('content'))
    const content = storage.fileOf === undefined ? await read(storage, 'app/object') : readFileSync(storage.fileOf('app/object'))
    t.equal(content.toString(), 'content')
    t.notOk(storage.fileOf !== undefined && existsSync(storage.fileOf('app/missing')))
  })
}
