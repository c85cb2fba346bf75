import t from 'tap'
import { ByteReader } from '../../../src/engine/stage/byte-reader.ts'

const stream = async function * (...chunks: string[]): AsyncGenerator<Buffer> { for (const chunk of chunks) yield Buffer.from(chunk) }

t.test('bytes come in the pieces that are asked for, however they arrive', async t => {
  const reader = new ByteReader(stream('abc', 'd', 'efghij'))
  const pieces: string[] = []
  for (const length of [1, 0, 4, 5]) pieces.push((await reader.read(length)).toString())
  t.same(pieces, ['a', '', 'bcde', 'fghij'])
})

t.test('a stream that ends too early is an error that says how much is missing', async t => {
  await t.rejects(new ByteReader(stream('abc')).read(5), { message: 'the stored bytes end 2 bytes too early' })
})
