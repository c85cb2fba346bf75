import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { S3PartDigests } from '../../src/storage/s3-part-digests.ts'

const PART_BYTES = 100
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

for (const length of [0, 1, 99, 100, 101, 300, 555]) {
  for (const chunkBytes of [7, 100, 230]) {
    t.test(`the parts of ${length} bytes that come in chunks of ${chunkBytes} have their digests`, async t => {
      const body = randomBytes(length)
      const digests = new S3PartDigests(PART_BYTES)
      for (let at = 0; at < length; at += chunkBytes) digests.add(body.subarray(at, at + chunkBytes))
      digests.end()
      for (let number = 1; number === 1 || (number - 1) * PART_BYTES < length; number++) {
        t.equal(digests.of(number), sha256(body.subarray((number - 1) * PART_BYTES, number * PART_BYTES)))
      }
    })
  }
}

t.test('a part that has not come whole has none yet', async t => {
  const digests = new S3PartDigests(PART_BYTES)
  digests.add(randomBytes(PART_BYTES + 1))
  t.type(digests.of(1), 'string')
  t.equal(digests.of(2), undefined)
})
