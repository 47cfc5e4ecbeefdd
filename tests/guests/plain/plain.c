/* Upper-cases what it is sent, in C and straight on the canonical ABI of the component model: no SDK, no
   bindings, no library. What a language needs to speak the contract of wit/handler.wit is all here. */

#include <stddef.h>
#include <stdint.h>

#define TYPES "socketserver:handler/types@0.1.0"
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

/* A list, or a string, of the host. */
struct bytes {
    uint8_t *start;
    uint32_t length;
};

/* result<list<u8>, error-code>, as recv returns it. */
struct received {
    uint8_t failed;
    struct bytes bytes;
};

/* result<u64, error-code>, as a stream's send returns it. */
struct sent {
    uint8_t failed;
    uint64_t count;
};

/* result<_, error-code>, as a datagram's send returns it. */
struct answered {
    uint8_t failed;
    uint8_t code;
};

/* result<_, string>, as handle returns it. */
struct handled {
    uint8_t failed;
    struct bytes text;
};

IMPORT(TYPES, "[method]stream-request.recv")
void stream_recv(int32_t request, uint64_t max, struct received *result);

IMPORT(TYPES, "[method]stream-request.send")
void stream_send(int32_t request, const uint8_t *start, uint32_t length, struct sent *result);

IMPORT(TYPES, "[resource-drop]stream-request")
void stream_drop(int32_t request);

IMPORT(TYPES, "[method]datagram-request.packet")
void datagram_packet(int32_t request, struct bytes *result);

IMPORT(TYPES, "[method]datagram-request.send")
void datagram_send(int32_t request, const uint8_t *start, uint32_t length, struct answered *result);

IMPORT(TYPES, "[resource-drop]datagram-request")
void datagram_drop(int32_t request);

/* All the memory that the host may ask for: one request's worth, and an instance serves one request. */
static uint8_t heap[64 * 1024];
static uint32_t used;

EXPORT("cabi_realloc")
void *allocate(void *old, uint32_t old_length, uint32_t align, uint32_t length) {
    uint32_t start = (used + align - 1) & ~(align - 1);
    if (old != NULL || old_length != 0 || length > sizeof heap - start)
        __builtin_trap();
    used = start + length;
    return heap + start;
}

static void upper(struct bytes bytes) {
    for (uint32_t i = 0; i < bytes.length; i++)
        if (bytes.start[i] >= 'a' && bytes.start[i] <= 'z')
            bytes.start[i] -= 'a' - 'A';
}

static struct handled result;

static struct handled *end(int failed, const char *text, uint32_t length) {
    result.failed = failed != 0;
    result.text.start = (uint8_t *)text;
    result.text.length = length;
    return &result;
}

EXPORT("socketserver:handler/stream-handler@0.1.0#handle")
struct handled *handle_stream(int32_t request) {
    static const char text[] = "the connection failed";
    struct received received;
    struct sent sent = {0, 0};
    stream_recv(request, 1024, &received);
    if (!received.failed) {
        upper(received.bytes);
        stream_send(request, received.bytes.start, received.bytes.length, &sent);
    }
    stream_drop(request);
    return end(received.failed || sent.failed, text, sizeof text - 1);
}

EXPORT("socketserver:handler/datagram-handler@0.1.0#handle")
struct handled *handle_datagram(int32_t request) {
    static const char text[] = "the answer was not sent";
    struct bytes packet;
    struct answered answered;
    datagram_packet(request, &packet);
    upper(packet);
    datagram_send(request, packet.start, packet.length, &answered);
    datagram_drop(request);
    return end(answered.failed, text, sizeof text - 1);
}
