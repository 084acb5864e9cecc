/** Each promise of the mail experiment, broken on purpose: what is counted from stored mail and from the sender's log. */
import { describe, expect, it } from 'vitest';
import { brokenPromises, type Figures } from './killed-host.js';
import { parseMail, type StoredMail, tally } from './maildir.js';
import { senderFigures } from './sending-postfix.js';

const POSTFIX = `Return-Path: <a@c.test>
Delivered-To: 7u@example.test
Received: from sender.client.test (unknown [127.7.9.8])
\tby mail1.cluster.test (Postfix) with ESMTP id 4C2F1A
\tfor <7u@example.test>; Sun, 22 Nov 2026 22:02:07 +0000 (UTC)
Received: from localhost (unknown [127.0.0.1]) by sender.client.test (Postfix) with SMTP id 99

body [203.0.113.1]
`;
const EXIM = `Envelope-to: 7u@example.test
Received: from [203.0.113.8] (helo=vm)
\tby x.test with esmtp (Exim 4.96)
\tid 1xVG3h-000005-0D
\tfor 7u@example.test; Sun, 22 Nov 2026 22:29:17 +0000

body
`;
const mail = parseMail('mail1', POSTFIX);

describe('parseMail()', () => {
  it('takes the client from the newest Received line, of postfix and of exim', () => {
    expect(mail).toEqual({ host: 'mail1', recipient: '7u@example.test', client: '127.7.9.8', queueId: '4C2F1A' });
    expect(parseMail('mail2', EXIM)).toMatchObject({ client: '203.0.113.8', queueId: '1xVG3h-000005-0D' });
  });

  it('has no client where the server wrote none', () => {
    expect(parseMail('mail1', 'Subject: x\n\nReceived: from x ([127.0.0.1])\n').client).toBe('');
  });
});

describe('tally()', () => {
  const clientOf = () => '127.7.9.8';
  const other: StoredMail = { ...mail, host: 'mail2', queueId: '5D' };

  it('tells mail that was taken twice from mail that one host wrote twice', () => {
    expect(tally([mail, other], clientOf)).toEqual({ arrived: 1, takenTwice: 1, writtenTwice: 0, wrongClient: 0 });
    expect(tally([mail, mail], clientOf)).toEqual({ arrived: 1, takenTwice: 0, writtenTwice: 1, wrongClient: 0 });
  });

  it('counts mail that shows another client', () => {
    expect(tally([{ ...mail, client: '127.0.0.1' }], clientOf).wrongClient).toBe(1);
  });
});

describe('senderFigures()', () => {
  it('counts what postfix logs of cut, refused, put off and doubtful messages', () => {
    const log = `postfix/smtp[9]: A1: lost connection with mail.cluster.test[127.0.75.2] while sending RCPT TO
postfix/smtp[9]: connect to mail.cluster.test[127.0.75.2]:2525: Connection refused
postfix/smtp[9]: A2: to=<1u@example.test>, relay=x, status=deferred (lost connection with x[127.0.75.2] while sending end of data -- message may be sent more than once)
postfix/smtp[9]: A2: to=<1u@example.test>, relay=x, status=deferred (again)
postfix/smtp[9]: A3: to=<2u@example.test>, relay=x, status=sent (250 2.0.0 Ok: queued as A3)
`;
    const figures = { cut_sessions: 2, refused_tries: 1, deferred: 1, bounced: 0, may_be_sent_twice: 1 };
    expect(senderFigures(log)).toEqual(figures);
  });
});

describe('brokenPromises()', () => {
  const kept: Figures = {
    messages: 500,
    others_converged_ms: 3000,
    cut_sessions: 9,
    refused_tries: 40,
    deferred: 2,
    bounced: 0,
    may_be_sent_twice: 1,
    arrived_before_return: 498,
    in_dead_queue: 2,
    arrived: 500,
    taken_twice: 1,
    written_twice: 0,
    wrong_client: 0,
    by_host: { mail1: 200, mail2: 100, mail3: 201 },
    seconds: 30,
  };

  it('names nothing where all were kept', () => {
    expect(brokenPromises(kept)).toEqual([]);
  });

  it.each<[Partial<Figures>, string]>([
    [{ arrived: 499 }, '499 of 500 messages arrived'],
    [{ in_dead_queue: 1 }, '499 of 500 messages were on a disk'],
    [{ taken_twice: 2 }, '2 copies were taken, expected at most the 1'],
    [{ wrong_client: 3 }, '3 messages show another client address'],
    [{ bounced: 4 }, '4 messages were given back'],
  ])('names %j', (change, said) => {
    expect(brokenPromises({ ...kept, ...change })).toEqual([expect.stringContaining(said)]);
  });
});
