import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { localPacks } from '../../../src/engine/stage/local-packs.ts'
import type { PackSource } from '../../../src/engine/stage/pack-source.ts'
import { testFolder } from '../../helpers/folder.ts'

const PACK = '01234567-89ab-4cde-8f01-23456789abcd'

function makePack (t: Test): { file: string, source: PackSource } {
  const file = join(testFolder(t, { pack: '0123456789' }), 'pack')
  const source = localPacks({ storage: 'local', packs: { [PACK]: { key: 'app/pack', file } } })
  t.teardown(async () => { await source.close() })
  return { file, source }
}
const range = { pack: PACK, offset: 2, length: 3 }

t.test('ranges are read from their files, in any order and at the same time', async t => {
  const { source } = makePack(t)
  const read = await Promise.all([[7, 3], [0, 10], [4, 0], [1, 2]].map(async ([offset, length]) => String(await source.read({ pack: PACK, offset: Number(offset), length: Number(length) }))))
  t.same(read, ['789', '0123456789', '', '12'])
})

t.test('the memory of bytes that are given back is free at once', async t => {
  const { source, file } = makePack(t)
  writeFileSync(file, Buffer.alloc(1_000_000))
  const bytes = await source.read({ pack: PACK, offset: 0, length: 1_000_000 })
  source.takeBack(bytes)
  t.equal(bytes.length, 0)
})

t.test('a pack that is too short is no error of the storage', async t => {
  const { source } = makePack(t)
  await t.rejects(source.read({ pack: PACK, offset: 8, length: 5 }), { code: undefined, message: `the pack ${PACK} ends 3 bytes too early` })
})

t.test('a pack that is not there is missing in its storage', async t => {
  const { source, file } = makePack(t)
  rmSync(file)
  await t.rejects(source.read(range), { code: 'FST_SNAPSHOT_STORAGE_MISSING', message: 'Storage "local" has no object app/pack', cause: { code: 'ENOENT' } })
})

t.test('a folder in its place is none either', async t => {
  const { source, file } = makePack(t)
  rmSync(file)
  mkdirSync(file)
  await t.rejects(source.read(range), { code: 'FST_SNAPSHOT_STORAGE_MISSING', cause: { code: 'EISDIR' } })
})

t.test('what else keeps a pack from being read is a failure of the storage', async t => {
  const { file } = makePack(t)
  writeFileSync(file, 'no folder')
  const source = localPacks({ storage: 'local', packs: { [PACK]: { key: 'app/pack', file: join(file, 'inside') } } })
  await t.rejects(source.read(range), { code: 'FST_SNAPSHOT_STORAGE_FAILED', cause: { code: 'ENOTDIR' } })
  await source.close()
})

t.test('a pack that is none of the snapshot is refused', async t => {
  const { source } = makePack(t)
  await t.rejects(source.read({ ...range, pack: 'another' }), { code: undefined, message: /names the pack another/ })
})
