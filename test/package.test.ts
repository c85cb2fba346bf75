import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

/*
 * What users get: the packed tarball, installed in an empty project, started and called there. Coverage is not collected
 * from it, as it is the built code.
 */
const run = promisify(execFile)
const project = process.cwd()

const host = `
  const app = Fastify()
  await app.register(snapshots, { database: 'app.db', auth: { admin: 'a-token-of-the-host' } })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const call = async (method, path) => {
    const response = await fetch(url + path, { method, headers: { authorization: 'Bearer a-token-of-the-host' } })
    return { status: response.status, body: await response.json() }
  }
  const created = await call('POST', '/snapshots')
  const restored = await call('POST', '/snapshots/latest/restore')
  const { totalPages } = { totalPages: created.body.pageCount }
  await app.close()
  const writer = new SnapshotWriter({ database: 'app.db' })
  const { snapshots: list } = await writer.listSnapshots()
  await writer.close()
  console.log(JSON.stringify({ created: created.status, restored: restored.body.status, listed: list.length, totalPages }))
`
const makeDatabase = "new Database('app.db').exec('PRAGMA journal_mode = WAL; CREATE TABLE notes (text)').close()"

const hosts: Record<string, { file: string, code: string }> = {
  'ES modules': {
    file: 'host.mjs',
    code: `
      import Database from 'better-sqlite3'
      import Fastify from 'fastify'
      import snapshots, { SnapshotWriter } from 'fastify-sqlite-snapshots'
      ${makeDatabase}
      ${host}`
  },
  CommonJS: {
    file: 'host.cjs',
    code: `
      const Database = require('better-sqlite3')
      const Fastify = require('fastify')
      const { default: snapshots, SnapshotWriter } = require('fastify-sqlite-snapshots')
      ${makeDatabase}
      ;(async () => { ${host} })()`
  },
  'CommonJS, the module itself registered': {
    file: 'host.cjs',
    code: `
      const Database = require('better-sqlite3')
      const Fastify = require('fastify')
      const snapshots = require('fastify-sqlite-snapshots')
      const { SnapshotWriter } = snapshots
      ${makeDatabase}
      ;(async () => { ${host} })()`
  }
}

const typed = `
  import Fastify from 'fastify'
  import snapshots, { errors, LocalStorage, optionsFromEnv, SnapshotRecovery, SnapshotWriter, type Snapshot, type SnapshotsPluginOptions } from 'fastify-sqlite-snapshots'
  const options: SnapshotsPluginOptions = { ...optionsFromEnv(), database: 'app.db', auth: { admin: process.env.SNAPSHOT_ADMIN_TOKEN } }
  const app = Fastify()
  await app.register(snapshots, options)
  const snapshot: Snapshot = await app.snapshots.createSnapshot('name')
  const recovery: SnapshotRecovery = app.snapshots.recovery
  const { isHealthy }: { isHealthy: boolean } = await recovery.validateDatabaseIntegrity()
  const writer = new SnapshotWriter({ storage: new LocalStorage('backups') })
  await writer.deleteSnapshot('latest', { before: '2024-01-15' })
  const code: 'FST_SNAPSHOT_BUSY' = new errors.BusyError().code
  console.log(snapshot.checksum?.length, isHealthy, code)
`
const typedCommonJS = `
  import Fastify = require('fastify')
  import snapshots = require('fastify-sqlite-snapshots')
  const app = Fastify()
  app.register(snapshots.default, { database: 'app.db', auth: false })
  const writer = new snapshots.SnapshotWriter({ database: 'app.db' })
  console.log(app, writer)
`
const mistyped = `
  import Fastify from 'fastify'
  import snapshots from 'fastify-sqlite-snapshots'
  await Fastify().register(snapshots, { databse: 'app.db' })
`
const compilers: Record<string, { file: string, code: string, options: string[] }> = {
  'in ES modules': { file: 'host.mts', code: typed, options: ['--module', 'nodenext'] },
  'in CommonJS': { file: 'host.cts', code: typedCommonJS, options: ['--module', 'nodenext'] },
  'with a bundler': { file: 'bundled.ts', code: typed, options: ['--module', 'esnext', '--moduleResolution', 'bundler', '--esModuleInterop', 'false'] }
}

t.test('the packed package works in empty projects', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'packed-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const clean = { ...process.env, NODE_OPTIONS: '' }
  for (const name of Object.keys(clean)) if (/^(_?TAP|TAPJS|NODE_V8|npm_)/i.test(name)) delete (clean as NodeJS.ProcessEnv)[name]
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: project, env: clean })
  const [tarball] = readdirSync(folder)

  const app = join(folder, 'app')
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), '{ "private": true }')
  const fastify = (await import('fastify/package.json', { with: { type: 'json' } })).default.version
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, String(tarball)), `fastify@${fastify}`], { cwd: app, env: clean })

  await t.test('it holds what it needs and nothing else', async t => {
    const packed = readdirSync(join(app, 'node_modules', 'fastify-sqlite-snapshots')).sort()
    t.same(packed, ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'drizzle', 'package.json'])
  })

  for (const [kind, { file, code }] of Object.entries(hosts)) {
    await t.test(`a host of ${kind}`, async t => {
      for (const left of readdirSync(app).filter(name => /^(app\.db|backups|recovery)/.test(name))) rmSync(join(app, left), { recursive: true })
      writeFileSync(join(app, file), code)
      const { stdout } = await run(process.execPath, [file], { cwd: app, env: clean })
      t.same(JSON.parse(stdout), { created: 201, restored: 'SUCCESS', listed: 1, totalPages: 2 })
    })
  }

  for (const [how, { file, code, options }] of Object.entries(compilers)) {
    await t.test(`its types serve a strict TypeScript host ${how}, and show a mistyped option`, async t => {
      writeFileSync(join(app, file), code)
      writeFileSync(join(app, 'mistyped.mts'), mistyped)
      const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--target', 'es2023', '--types', 'node', '--typeRoots', join(project, 'node_modules', '@types')]
      const compile = run(process.execPath, [join(project, 'node_modules', 'typescript', 'bin', 'tsc'), ...strict, ...options, file, 'mistyped.mts'], { cwd: app, env: clean })
      const output = await compile.then(({ stdout }) => stdout, ({ stdout }) => stdout)
      t.match(output, /'databse' does not exist/)
      t.same(output.split('\n').filter((line: string) => /^\S/.test(line) && !line.startsWith('mistyped.mts(')), [], 'nothing else is wrong')
    })
  }
})
