#pragma once

#include <cstdint>

#include "lib/pages/protocol.h"
#include "lib/sys/file.h"

namespace stasis::pages {

/// Does a restore that reads the images as they are have to wait for pages of a parent that could follow?
bool has_lazy_in_parent(const sys::Path& images);

/// Fills the new folder `to` with plain images as a lazy restore reads them whose pages a page server brings: hard
/// links, and pagemaps that call those pages lazy. Nothing but such a restore may read them. Throws what read_pagemap()
/// does, and system_error.
void make_lazy(const sys::Path& images, const sys::Path& to, Layout layout);

/// What a lazy restore brings while the target runs, in bytes.
std::uint64_t lazy_bytes(const sys::Path& images);

/// Plays the page server of `criu lazy-pages` on a socket: gives the pages that it asks for, from plain images and
/// those that they build upon, until the socket is closed. Throws Kind::damaged for pages that are nowhere,
/// Kind::failed.
void serve_pages(const sys::Path& images, Layout layout, int socket);

}  // namespace stasis::pages
