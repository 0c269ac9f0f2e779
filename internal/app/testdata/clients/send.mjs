// Sends events with an official client, with nothing but the host changed:
//   node send.mjs segment|rudder HOST KEY COUNT
const [client, host, key, count] = process.argv.slice(2)

const order = (n) => ({
  userId: `${client}-${n % 7}`,
  event: 'Order Completed',
  messageId: `${client}-message-${n}`,
  properties: { order_id: `o-${n}`, total: 3.5, products: [{ product_id: `${client}-item-${n}`, quantity: 2, price: 1.75 }] },
})

if (client === 'segment') {
  const { Analytics } = await import('@segment/analytics-node')
  const analytics = new Analytics({ writeKey: key, host, maxRetries: 3 })
  analytics.on('error', (e) => { console.error(e); process.exitCode = 1 })
  analytics.identify({ userId: 'segment-0', traits: { email: 'a@example.com' } })
  for (let n = 0; n < Number(count); n++) analytics.track(order(n))
  await analytics.closeAndFlush()
} else {
  const { default: Analytics } = await import('@rudderstack/rudder-sdk-node')
  const analytics = new Analytics(key, { dataPlaneUrl: host, gzip: true })
  analytics.identify({ userId: 'rudder-0', traits: { email: 'a@example.com' } })
  for (let n = 0; n < Number(count); n++) analytics.track(order(n))
  await new Promise((resolve, reject) => analytics.flush((err) => (err ? reject(err) : resolve())))
}
