/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen/tmem-stretch.h: for how long tmem looks at nothing else, for tests.
 *
 * Built with -DTMEM_STRETCH, tmem.c keeps a high-water mark of the time
 * between two preemption checks, in cycles, and tells the console when it
 * rises.  Otherwise there is nothing of it.  Not for SMP: the marks are plain.
 */
#ifndef __XEN_TMEM_STRETCH_H__
#define __XEN_TMEM_STRETCH_H__

#ifdef TMEM_STRETCH

#include <xen/lib.h>
#include <asm/msr.h>

/* Commands are small numbers; the last two are for what has no command. */
#define STRETCH_KINDS 16
#define STRETCH_OTHER (STRETCH_KINDS - 2)
#define STRETCH_DEATH (STRETCH_KINDS - 1)

static uint64_t stretch_began;
static uint64_t stretch_longest[STRETCH_KINDS];

static inline void stretch_begin(void)
{
    stretch_began = rdtsc();
}

/* A stretch ends, and the next begins. */
static inline void stretch_end(unsigned int kind)
{
    uint64_t cycles = rdtsc() - stretch_began;

    kind = kind < STRETCH_KINDS ? kind : STRETCH_OTHER;
    if ( cycles > stretch_longest[kind] )
    {
        stretch_longest[kind] = cycles;
        printk("tmem-stretch: kind %u cycles %lu\n", kind, cycles);
    }

    stretch_begin();
}

#else /* !TMEM_STRETCH */

#define STRETCH_DEATH 0

static inline void stretch_begin(void) {}
static inline void stretch_end(unsigned int kind) {}

#endif /* TMEM_STRETCH */

#endif /* __XEN_TMEM_STRETCH_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
