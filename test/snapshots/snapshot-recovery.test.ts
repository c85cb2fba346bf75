import { join } from 'node:path'
import t from 'tap'
import { SnapshotRecovery } from '../../src/index.ts'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'

t.test('a script can judge the database without Fastify, and checks asked for at once are one', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const recovery = new SnapshotRecovery({ database: path })
  t.equal(recovery.lastIntegrityCheck(), null)
  const [first, second, full] = await Promise.all([recovery.validateDatabaseIntegrity(), recovery.validateDatabaseIntegrity(), recovery.validateDatabaseIntegrity({ mode: 'full' })])
  t.match(first, { database: 'app', isHealthy: true, errors: [], checkedAt: String, durationMs: Number })
  t.equal(first, second)
  t.not(first, full)
  t.match(recovery.lastIntegrityCheck(), { isHealthy: true })
  await recovery.close()
  await t.rejects(recovery.validateDatabaseIntegrity(), { code: 'FST_SNAPSHOT_CANCELLED' })
})
