import t from 'tap'
import { Cursor, decodeRecord, RawText } from '../../../src/engine/salvage/record.ts'

t.test('numbers of every length', async t => {
  for (const [bytes, number] of [
    ['00', 0n], ['7f', 127n], ['8100', 128n], ['ffffffffffff7f', 2n ** 49n - 1n], ['8180808080808000', 2n ** 49n], ['ffffffffffffff7f', 2n ** 56n - 1n],
    ['818080808080808080', 2n ** 57n + 128n], ['ffffffffffffffffff', -1n]
  ] as const) {
    const cursor = new Cursor(Buffer.from(bytes, 'hex'), 0)
    t.equal(cursor.rowid(), number, bytes)
    t.equal(cursor.at, bytes.length / 2)
  }
  t.throws(() => new Cursor(Buffer.from('ffff', 'hex'), 0).rowid(), /beyond its page/)
  t.throws(() => new Cursor(Buffer.from('ffffffffffffffffff', 'hex'), 0).varint(), /impossible/)
})

t.test('a record is read whole, or not at all', async t => {
  const read = (hex: string): unknown => decodeRecord(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  t.same(read('0800010807090f10 fe 3ff8000000000000 41 4243'), [null, -2n, 0n, 1.5, 1n, new RawText(Buffer.from('A')), Buffer.from('BC')])
  t.same(read('030205 0102 ffffffffffff'), [258n, -1n])
  t.same(read('0203 000001'), [1n])
  t.same(read('0206 8000000000000000'), [-(2n ** 63n)])
  for (const [why, hex] of [['empty', ''], ['no values', '01'], ['types that are reserved', '020a'], ['other reserved types', '020b'], ['too short', '020641'], ['too long', '02014142'], ['a header longer than all', '7f01'], ['a header cut in a number', '0281']] as const) {
    t.throws(() => read(hex), /it reaches beyond|its length|unknown type/, why)
  }
})
