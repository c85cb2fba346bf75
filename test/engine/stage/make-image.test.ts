import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Engine, runEngine } from '../../../src/engine/engine.ts'
import type { PackRange } from '../../../src/engine/messages.ts'
import type { StageImageResult } from '../../../src/engine/stage/stage-image.ts'
import { sha256Hex, writePageDigests } from '../../../src/format/checksum.ts'
import type { Manifest } from '../../../src/format/manifest.ts'
import { creationOf } from '../../helpers/creation.ts'
import { makeLargeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

/** Stages the image of a database that is still as it was, and says what was asked for each time. */
async function stageWithLive (t: Test, change: (image: Manifest['image'], bytes: Buffer) => Partial<Manifest['image']>): Promise<{ outcome: unknown, plans: PackRange[][], file: string, path: string, packBytes: number }> {
  const path = join(testFolder(t), 'app.db')
  makeLargeDatabase(path, 3_000_000, { journalMode: 'delete' })
  const { image, map } = await runEngine('create-image', creationOf(path))
  const pack = readFileSync(join(t.testdirName, 'data.zst'))
  const file = join(t.testdirName, 'staged.db')
  const plans: PackRange[][] = []
  const engine = new Engine('stage-image', { manifest: { image: { ...image, ...change(image, readFileSync(path)) }, map }, file, keep: 'for now', check: true, packFiles: null, live: { target: { path, lockTimeoutMs: 0 }, level: 1 } }, {
    onEvent: ({ ranges }) => {
      plans.push(ranges)
      for (const { offset, length } of ranges) engine.input.write(pack.subarray(offset, offset + length))
    }
  })
  engine.input.write(pack.subarray(map.offset, map.offset + map.storedLength))
  return { outcome: await engine.result.catch((error: unknown) => error), plans, file, path, packBytes: map.offset - 8 }
}

for (const algorithm of ['sha256', 'sha256-tree'] as const) {
  t.test(`what the live database has is part of the image and of its checksum, ${algorithm}`, async t => {
    const { outcome, plans, file, path } = await stageWithLive(t, ({ pageSize, pageCount }, bytes) => {
      const digests = Buffer.alloc(pageCount * 32)
      writePageDigests(bytes, pageSize, digests, 0)
      return { checksumAlgorithm: algorithm, checksum: sha256Hex(algorithm === 'sha256' ? bytes : digests) }
    })
    t.same((outcome as StageImageResult).errors, [])
    t.same(plans, [[]], 'nothing is fetched')
    t.ok(readFileSync(file).equals(readFileSync(path)))
  })
}

t.test('where the image does not come out right with pages of the live database, everything is fetched once', async t => {
  const { outcome, plans, file, packBytes } = await stageWithLive(t, () => ({ checksum: sha256Hex('another image') }))
  t.match(outcome, { code: 'FST_SNAPSHOT_DAMAGED', message: /does not match its checksum/ })
  t.same(plans.map(ranges => ranges.map(({ offset, length }) => ({ offset, length }))), [[], [{ offset: 0, length: packBytes }]])
  t.notOk(existsSync(file))
})
