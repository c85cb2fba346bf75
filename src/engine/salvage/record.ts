/** What is there cannot be what it should be. */
export class Unreadable extends Error {}

/** Text in the database's encoding, which may be damaged. */
export class RawText {
  readonly bytes: Buffer

  constructor (bytes: Buffer) {
    this.bytes = bytes
  }
}

/** Whole numbers are always bigint, so 1 and 1.0 stay apart. */
export type Value = null | bigint | number | RawText | Buffer

/** So many bytes of seven bits each are a number that JavaScript has exactly. */
const EXACT_BYTES = 7

/** Reads on in some bytes, and not beyond them. */
export class Cursor {
  readonly #bytes: Buffer
  readonly #end: number
  at: number

  constructor (bytes: Buffer, at: number, end = bytes.length) {
    this.#bytes = bytes
    this.at = at
    this.#end = end
  }

  take (length: number): Buffer {
    if (this.at + length > this.#end) throw new Unreadable('it reaches beyond its page')
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  uint32 (): number {
    return this.take(4).readUInt32BE(0)
  }

  /** A number that is never large, like a length. */
  varint (): number {
    const { value, isWhole } = this.#start()
    if (!isWhole) throw new Unreadable('a length in it is impossible')
    return value
  }

  /** A signed number of up to 64 bits (https://sqlite.org/fileformat2.html#varint). */
  rowid (): bigint {
    const { value, isWhole } = this.#start()
    if (isWhole) return BigInt(value)
    const eighth = this.#byte()
    const large = BigInt(value) << 7n | BigInt(eighth & 0x7f)
    return eighth < 0x80 ? large : BigInt.asIntN(64, large << 8n | BigInt(this.#byte()))
  }

  #start (): { value: number, isWhole: boolean } {
    let value = 0
    for (let read = 0; read < EXACT_BYTES; read++) {
      const byte = this.#byte()
      value = value * 128 + (byte & 0x7f)
      if (byte < 0x80) return { value, isWhole: true }
    }
    return { value, isWhole: false }
  }

  #byte (): number {
    if (this.at >= this.#end) throw new Unreadable('it reaches beyond its page')
    return this.#bytes[this.at++] as number
  }
}

/** Bytes of whole numbers by serial type; 0 is NULL, 8 and 9 are 0 and 1. */
const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8]
const REAL = 7
const FIRST_VARIABLE = 12
/** No table has more columns. */
const MOST_FIELDS = 32_767

/**
 * Reads a record (https://sqlite.org/fileformat2.html#record_format).
 * @throws Unreadable unless every byte of it makes sense
 */
export function decodeRecord (bytes: Buffer): Value[] {
  const cursor = new Cursor(bytes, 0)
  const headerBytes = cursor.varint()
  const header = new Cursor(bytes, cursor.at, Math.min(headerBytes, bytes.length))
  const types: number[] = []
  while (header.at < headerBytes && types.length < MOST_FIELDS) types.push(header.varint())
  cursor.at = headerBytes
  const values = types.map(type => decodeValue(cursor, type))
  if (cursor.at !== bytes.length || types.length === 0) throw new Unreadable('its length is not that of its values')
  return values
}

function decodeValue (cursor: Cursor, type: number): Value {
  if (type === 0) return null
  if (type === REAL) return cursor.take(8).readDoubleBE(0)
  if (type === 8 || type === 9) return BigInt(type - 8)
  if (type >= FIRST_VARIABLE) {
    const bytes = cursor.take(Math.floor((type - FIRST_VARIABLE) / 2))
    return type % 2 === 1 ? new RawText(bytes) : bytes
  }
  const length = INTEGER_BYTES[type]
  if (length === undefined) throw new Unreadable('a value in it is of an unknown type')
  const number = cursor.take(length)
  return length === 8 ? number.readBigInt64BE(0) : BigInt(number.readIntBE(0, length))
}
