/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text-stream.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"

int text_stream_open(TextStream *s) {
        s->file = open_memstream(&s->text, &s->size);
        return s->file ? 0 : -ENOMEM;
}

int text_stream_close(TextStream *s, char **ret) {
        int failed = ferror(s->file);

        failed = fclose(TAKE_PTR(s->file)) != 0 || failed;
        if (failed)
                return -ENOMEM;
        *ret = TAKE_PTR(s->text);
        return 0;
}

void text_stream_done(TextStream *s) {
        if (s->file)
                fclose(s->file);
        free(s->text);
        *s = (TextStream){};
}
