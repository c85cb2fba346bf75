import { execFile } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { startExample } from '../helpers/example.ts'
import { testFolder } from '../helpers/folder.ts'
import { enginesOf, isAlive } from '../helpers/processes.ts'

const shell = promisify(execFile)
t.test('the curl lines that the example prints work as they stand', async t => {
  const folder = testFolder(t)
  const { url, output, stop } = await startExample(t, folder)
  const notes = async (): Promise<string> => (await shell('curl', ['-s', `${url}/notes`])).stdout
  t.equal(JSON.parse(await notes()).length, 3, 'there is sample data')
  const lines = output().split('\n').filter(line => line.startsWith('curl '))
  t.equal(lines.length, 5)
  const [create, list, restore, health, metrics] = lines.map(line => async () => (await shell('bash', ['-c', `${line} -sf`])).stdout) as Array<() => Promise<string>>

  t.match(JSON.parse(await (create as () => Promise<string>)()), { name: 'first', status: 'COMPLETED' })
  const before = await notes()
  await shell('curl', ['-s', '-X', 'POST', `${url}/notes`, '-H', 'Content-Type: application/json', '-d', '{"text": "one more"}'])
  t.match(JSON.parse(await (list as () => Promise<string>)()), { snapshots: [{ name: 'first' }] })
  t.match(JSON.parse(await (restore as () => Promise<string>)()), { status: 'SUCCESS' })
  t.equal(await notes(), before, 'the running application has its old notes again')
  t.match(JSON.parse(await (health as () => Promise<string>)()), { status: 'ok', reasons: [] })
  t.match(await (metrics as () => Promise<string>)(), /snapshot_restores_total\{database="notes",outcome="success"\} 1/)
  t.equal(await stop('SIGTERM'), 0, 'it ends when told to')
})

t.test('a token that was given is used and never printed', async t => {
  const token = 'a-secret-of-the-operator'
  const { url, output, stop } = await startExample(t, testFolder(t), { SNAPSHOT_ADMIN_TOKEN: token })
  const { stdout } = await shell('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', `${url}/snapshots`, '-H', `Authorization: Bearer ${token}`])
  t.equal(stdout, '200')
  await stop('SIGINT')
  t.notOk(output().includes(token))
})

t.test('with DATABASE_URL it serves the snapshots of that database and changes nothing in it', async t => {
  const folder = testFolder(t, { prisma: {} })
  const path = join(folder, 'prisma', 'dev.db')
  makeDatabase(path).close()
  const before = contentOf(path)
  const { mtimeMs } = statSync(path)
  const token = 'a-secret-of-the-operator'
  const { url, pid, stop } = await startExample(t, folder, { DATABASE_URL: 'file:./prisma/dev.db', SNAPSHOT_ADMIN_TOKEN: token, SNAPSHOT_VIEWER_TOKEN: 'a-token-for-viewers' })
  const { stdout } = await shell('curl', ['-sf', '-X', 'POST', `${url}/snapshots`, '-H', `Authorization: Bearer ${token}`])
  t.match(JSON.parse(stdout), { database: 'dev', status: 'COMPLETED' })
  await stop('SIGTERM')
  t.same(enginesOf(pid).filter(isAlive), [])
  t.equal(statSync(path).mtimeMs, mtimeMs)
  t.same(contentOf(path), before)
  t.notOk(existsSync(join(folder, 'data')))
})
