/* SPDX-License-Identifier: Apache-2.0 */
#include "services/broker/zap.h"

#include <string.h>

#include "common/bus/bus_socket.h"

enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS, FRAMES, BURST = 64, KEY_SIZE = 32 };

mk_code zap_open(zap_t *self, void *context, zap_known_fn *known, void *arg)
{
    int linger = 0;
    *self = (zap_t){zmq_socket(context, ZMQ_REP), known, arg, 0, 0};
    MK_ENSURE(self->socket, MK_INTERNAL);
    if (zmq_setsockopt(self->socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
        zmq_bind(self->socket, BUS_ZAP_ENDPOINT) == 0)
        return MK_OK;
    zap_close(self);
    return MK_INTERNAL;
}

void zap_close(zap_t *self)
{
    if (self->socket) zmq_close(self->socket);
    self->socket = NULL;
}

/* Number of frames, 0 = nothing there. All frames are initialised in every case. */
static unsigned receive(void *socket, zmq_msg_t frames[FRAMES])
{
    unsigned count = 0;
    for (unsigned i = 0; i < FRAMES; i++) zmq_msg_init(&frames[i]);
    bool more = true;
    while (more) {
        zmq_msg_t extra;
        zmq_msg_init(&extra);
        zmq_msg_t *into = count < FRAMES ? &frames[count] : &extra;
        bool got = zmq_msg_recv(into, socket, ZMQ_DONTWAIT) >= 0;
        more = got && zmq_msg_more(into);
        count += got;
        zmq_msg_close(&extra);
    }
    return count;
}

static bool frame_is(zmq_msg_t *frame, const char *text)
{
    return bus_slice_is((bus_slice){zmq_msg_data(frame), zmq_msg_size(frame)}, text);
}

static bool well_formed(zmq_msg_t frames[FRAMES], unsigned count)
{
    return count == FRAMES && frame_is(&frames[VERSION], "1.0") && frame_is(&frames[DOMAIN], BUS_ZAP_DOMAIN) &&
           frame_is(&frames[MECHANISM], "CURVE") && zmq_msg_size(&frames[CREDENTIALS]) == KEY_SIZE;
}

static void answer(void *socket, zmq_msg_t *request_id, const char *status, const char *user)
{
    zmq_send(socket, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_msg_send(request_id, socket, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, status, 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, user, strlen(user), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, "", 0, ZMQ_DONTWAIT);
}

static void judge(zap_t *self, zmq_msg_t frames[FRAMES], unsigned count)
{
    char key[BUS_KEY_TEXT + 1] = "";
    bool formed = well_formed(frames, count);
    if (formed) zmq_z85_encode(key, zmq_msg_data(&frames[CREDENTIALS]), KEY_SIZE);
    bool known = formed && self->known(self->arg, key);
    self->malformed += !formed;
    self->refused += formed && !known;
    answer(self->socket, &frames[REQUEST_ID], known ? "200" : "400", known ? key : "");
}

void zap_serve(zap_t *self)
{
    for (unsigned i = 0; i < BURST; i++) {
        zmq_msg_t frames[FRAMES];
        unsigned count = receive(self->socket, frames);
        if (count) judge(self, frames, count);
        for (unsigned f = 0; f < FRAMES; f++) zmq_msg_close(&frames[f]);
        if (!count) return;
    }
}
