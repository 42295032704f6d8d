//! `Verified → Event`: the notification as typed JSON.
