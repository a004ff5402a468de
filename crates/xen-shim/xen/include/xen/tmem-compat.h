/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen/tmem-compat.h: what the glue needs of Xen that releases call otherwise.
 *
 * Included by the glue only, which is written for the newest release.  Tests
 * here are for what a release has, not for its number: branches are patched.
 * docs/porting.md of the tmem project lists what else differs.
 */
#ifndef __XEN_TMEM_COMPAT_H__
#define __XEN_TMEM_COMPAT_H__

#include <xen/spinlock.h>

/*
 * Up to 4.18 one type serves locks that nest and locks that don't, and
 * d->page_alloc_lock is of it.  From 4.19 it is an rspinlock_t, which those
 * who don't nest take by a name of its own.
 */
#ifndef DEFINE_RSPINLOCK
#define nrspin_lock(l)   spin_lock(l)
#define nrspin_unlock(l) spin_unlock(l)
#endif

#endif /* __XEN_TMEM_COMPAT_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
