// Reads the stream of a page's events on for as long as one of them is unanswered.
// Gradio's server ends that stream when no event is left, and the page closes it then. What is asked
// for between the two is served, but nobody reads the answer (`submit` and `open_stream` of the client
// in gradio 6.31): on a slow line, a step that follows another at once does nothing. Here the end is
// kept from the page while an event waits, and the stream is opened again in its place.
(() => {
  const request = window.fetch;
  const asking = new Set(); // requests for an event that has no name yet
  const waiting = new Set(); // events whose last message has not come
  const early = new Set(); // events whose last message came before their name

  window.fetch = (input, init) => {
    const address = input instanceof Request ? input.url : String(input);
    const { pathname } = new URL(address, window.location.href);
    if (pathname.endsWith('/queue/join')) return join(input, init);
    if (pathname.endsWith('/queue/data')) return follow(input, init);
    return request(input, init);
  };

  function join(input, init) {
    const response = request(input, init);
    const named = response.then((answer) => answer.clone().json()).then(expect, () => {});
    asking.add(named);
    named.then(() => asking.delete(named));
    return response;
  }

  function expect({ event_id: id }) {
    if (id && !early.delete(id)) waiting.add(id);
  }

  function finish(id) {
    if (!waiting.delete(id)) early.add(id);
  }

  async function follow(input, init) {
    const open = () => request(input instanceof Request ? input.clone() : input, init);
    const response = await open();
    if (!response.ok || !response.body) return response;
    const lines = allMessages(response, open);
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      async pull(controller) {
        const { value, done } = await lines.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel: () => lines.return(),
    });
    return new Response(body, { status: response.status, headers: response.headers });
  }

  async function* allMessages(response, open) {
    for (;;) {
      let end = null;
      for await (const message of messagesOf(response)) {
        const completed = /^data: {"msg":"process_completed","event_id":"(\w+)"/.exec(message);
        if (completed) finish(completed[1]);
        if (message.startsWith('data: {"msg":"close_stream"')) end = message;
        else yield message;
      }
      while (end && asking.size) await Promise.all(asking);
      if (!end) return;
      if (!waiting.size) {
        yield end;
        return;
      }
      response = await open();
    }
  }

  async function* messagesOf(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split('\n\n');
        rest = parts.pop();
        for (const part of parts) yield `${part}\n\n`;
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
    if (rest) yield rest;
  }
})();
