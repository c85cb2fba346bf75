import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import type { Test } from 'tap'
import type { S3Credentials } from '../../src/index.ts'
import { noRealS3 } from './real-s3.ts'
import { unless } from './requirements.ts'

const { S3_ENDPOINT: endpoint, S3_TEST_OTHER_USER: user, S3_TEST_OTHER_ACCESS_KEY_ID: accessKeyId, S3_TEST_OTHER_SECRET_ACCESS_KEY: secretAccessKey } = process.env

/** Why there is no user without rights on a real S3 server, or false. */
export const noOtherUser: string | false = noRealS3 || unless(Boolean(user && accessKeyId && secretAccessKey),
  'no user without rights is given by S3_TEST_OTHER_USER, _ACCESS_KEY_ID and _SECRET_ACCESS_KEY (test/s3-server.sh makes one)')

export const otherUser: S3Credentials = { accessKeyId: String(accessKeyId), secretAccessKey: String(secretAccessKey) }

export interface Policy {
  Version: string
  Statement: Array<{ Sid: string, Effect: 'Allow', Action: string | string[], Resource: string | string[], Condition?: object }>
}

/** Gives the other user these rights and no others, until the test ends. */
export async function allow (t: Test, policy: Policy): Promise<void> {
  const of = { UserName: String(user), PolicyName: 'of-the-test', Version: '2010-05-08' }
  t.teardown(async () => { await askIam({ Action: 'DeleteUserPolicy', ...of }) })
  await askIam({ Action: 'PutUserPolicy', PolicyDocument: JSON.stringify(policy), ...of })
}

/** radosgw has IAM at the endpoint of S3: a request of S3's client becomes one before it is signed. */
async function askIam (parameters: Record<string, string>): Promise<void> {
  const command = new ListBucketsCommand()
  command.middlewareStack.add(next => async args => {
    const body = new URLSearchParams(parameters).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) }
    const request = args.request as { headers: object }
    Object.assign(request, { method: 'POST', path: '/', query: {}, body, headers: { ...request.headers, ...headers } })
    return await next(args)
  }, { step: 'build', priority: 'low' })
  await new S3Client({ endpoint: String(endpoint), region: 'us-east-1', forcePathStyle: true }).send(command)
}
