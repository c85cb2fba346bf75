import t from 'tap'
import { noRealS3, realS3 } from '../helpers/real-s3.ts'
import type { Trouble } from '../helpers/s3-deployment.ts'
import { creationFaults } from './s3-faults/creations.ts'

const troubles: Trouble[] = [
  { fault: 'reset' }, { fault: 'lose-answer' }, { fault: 'hang' }, { fault: 'cut' }, { fault: 'stall' }, { fault: 'corrupt-answer' }, { fault: 'corrupt-request' }, { fault: 'slow-down' }, { fault: { delay: 600 } },
  { fault: 'reset', stays: true }, { fault: 'lose-answer', stays: true }
]

t.test('a real S3 server', { skip: noRealS3 }, async t => { creationFaults(t, realS3, troubles) })
