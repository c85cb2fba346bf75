import t from 'tap'
import * as errors from '../src/errors.ts'

const { BusyError, codeOf, deserializeError, isSnapshotError, messageOf, NotFoundError, OptionError, serializeError, StorageError } = errors

/** As an error crosses the boundary of a process. */
const sent = (error: unknown): Error => deserializeError(JSON.parse(JSON.stringify(serializeError(error))))

t.test('every error has a code and a status of its own kind', async t => {
  const codes = new Set<string>()
  for (const [name, kind] of Object.entries(errors)) {
    if (!name.endsWith('Error') || name.startsWith('serialize') || name.startsWith('deserialize') || name.startsWith('isSnapshot')) continue
    const error = new (kind as unknown as new (...words: unknown[]) => Error & { code: string, statusCode: number })('one', 'two')
    t.match(error.code, /^FST_SNAPSHOT_[A-Z_]+$/, name)
    t.ok(error.statusCode >= 400 && error.statusCode < 600, `${name} has a status of HTTP`)
    t.ok(isSnapshotError(error))
    t.notMatch(error.message, /%[sd]/)
    t.notOk(codes.has(error.code), `${error.code} means one thing`)
    codes.add(error.code)
  }
  t.ok(codes.size > 25)
})

t.test('an error keeps what led to it', async t => {
  const cause = new Error('EACCES')
  t.equal(new StorageError('local', 'not readable', { cause }).cause, cause)
})

t.test('a wrong option is a TypeError', async t => {
  t.type(new OptionError('"database"'), TypeError)
})

t.test('isSnapshotError tells the errors of this package from all else', async t => {
  t.ok(isSnapshotError(new BusyError()))
  t.ok(isSnapshotError(sent(new BusyError())), 'also after they came from another process')
  for (const other of [new Error('x'), Object.assign(new Error('x'), { code: 'ENOENT' }), Object.assign(new Error('x'), { code: 5 }), { code: 'FST_SNAPSHOT_BUSY' }, 'FST_SNAPSHOT_', null, undefined]) {
    t.notOk(isSnapshotError(other))
  }
})

t.test('messageOf and codeOf take anything that can be thrown', async t => {
  t.equal(messageOf(new Error('text')), 'text')
  t.equal(messageOf('text'), 'text')
  t.equal(messageOf(null), 'null')
  t.equal(messageOf(undefined), 'undefined')
  t.equal(codeOf(new BusyError()), 'FST_SNAPSHOT_BUSY')
  t.equal(codeOf({ code: 'ENOENT' }), 'ENOENT')
  for (const other of [new Error('x'), { code: 5 }, 'text', null, undefined]) t.equal(codeOf(other), undefined)
})

t.test('an error that was sent to another process keeps message, code, status and stack', async t => {
  const error = new NotFoundError('backup-1')
  const received = sent(error)
  t.ok(received instanceof Error)
  t.match(received, { message: error.message, code: 'FST_SNAPSHOT_NOT_FOUND', statusCode: 404, stack: error.stack })
  t.equal(received.cause, undefined)
})

t.test('an error that was sent keeps the whole chain of causes', async t => {
  const first = Object.assign(new Error('no space'), { code: 'ENOSPC' })
  const received = sent(new StorageError('local', 'full', { cause: new Error('in between', { cause: first }) }))
  const between = received.cause as Error
  t.match(received, { code: 'FST_SNAPSHOT_STORAGE_FAILED' })
  t.match(between, { message: 'in between' })
  t.match(between.cause, { message: 'no space', code: 'ENOSPC', stack: first.stack })
  t.ok(between.cause instanceof Error)
  t.notOk('code' in between)
  t.notOk('statusCode' in between)
})

t.test('what is thrown but no error is sent as one', async t => {
  t.match(sent('just text'), { message: 'just text' })
  t.match(sent(null), { message: 'null' })
  t.match(sent(undefined), { message: 'undefined' })
  t.match(sent(new Error('x', { cause: 'just text' })).cause, { message: 'just text' })
  t.strictSame(serializeError(5), { message: '5' })
})
