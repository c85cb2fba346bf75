import { openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { digestPages } from '../../../src/engine/create/digest-pages.ts'
import { pagesOf, type PageSource } from '../../../src/engine/pages/page-source.ts'
import { NotDirectlyReadable } from '../../../src/engine/pages/wal-index.ts'
import { testFolder } from '../../helpers/folder.ts'

const PAGE = 4096

/** A file of noise with a part of a segment at its end. */
function imageOf (t: Test, bytes: number): { pages: PageSource, expected: Buffer } {
  const file = join(testFolder(t), 'image')
  writeFileSync(file, Buffer.concat(Array.from({ length: bytes / PAGE }, () => randomBytes(PAGE))))
  const image = readFileSync(file)
  const expected = Buffer.concat(Array.from({ length: bytes / PAGE }, (_, page) => createHash('sha256').update(image.subarray(page * PAGE, (page + 1) * PAGE)).digest()))
  return { pages: pagesOf({ file: openSync(file, 'r'), pageSize: PAGE, log: null }, bytes / PAGE), expected }
}

for (const [what, bytes] of [['one page', PAGE], ['less than a thread is worth', 5_005_312], ['several threads', 33_005_568]] as const) {
  t.test(`the digests of an image of ${what} come in the order of its pages`, async t => {
    const { pages, expected } = imageOf(t, bytes)
    const digests: Buffer[] = []
    for await (const some of digestPages(pages)) digests.push(some)
    t.ok(Buffer.concat(digests).equals(expected))
  })
}

t.test('threads wait for one that takes its time', async t => {
  const { pages, expected } = imageOf(t, 33_005_568)
  const digests: Buffer[] = []
  for await (const some of digestPages(pages, 2, 1)) {
    await sleep(20)
    digests.push(some)
  }
  t.ok(Buffer.concat(digests).equals(expected))
})

t.test('files that do not make sense on a thread are reported as such', async t => {
  const { pages } = imageOf(t, 33_005_568)
  const log = join(t.testdirName, 'log')
  writeFileSync(log, '')
  truncateSync(log, 100_000)
  const files = { ...pages.files, log: { descriptor: openSync(log, 'r'), salts: Buffer.from('saltsalt'), frames: new Uint32Array(pages.pageCount + 1).fill(1) } }
  t.ok(await digestPages({ ...pages, files }).next().catch((error: unknown) => error) instanceof NotDirectlyReadable)
})

t.test('an image without pages has no digests', async t => {
  t.match(await digestPages({ ...imageOf(t, PAGE).pages, pageCount: 0 }).next(), { done: true })
})
