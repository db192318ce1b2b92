//! What users and the host decide: values of parameters and variables.

use aya_obj::generated::bpf_insn;

use crate::component::nearest;
use crate::gadget::params::INTERFACE;
use crate::gadget::{Gadget, ParamSpec, params};
use crate::loader::Options;
use crate::loader::error::LoadError;
use crate::loader::packetfilter;

/// A value for each parameter, the user's or the default.
pub(in crate::loader) fn values<'a>(gadget: &'a Gadget, options: &'a Options<'_>) -> Result<Vec<(&'a ParamSpec, &'a str)>, LoadError> {
    let mut values: Vec<_> = gadget.params.iter().map(|param| (param, param.default.as_str())).collect();
    for (key, value) in options.params {
        let called = params::called(&gadget.params, key);
        if called.is_empty() {
            let suggestion = nearest(key, gadget.params.iter().map(|p| p.key.as_str())).map(str::to_owned);
            return Err(LoadError::UnknownParameter { gadget: gadget.identity.name.clone(), key: key.clone(), suggestion });
        }
        let is_called = |param: &ParamSpec| called.iter().any(|c| std::ptr::eq(*c, param));
        values.iter_mut().filter(|(param, _)| is_called(param)).for_each(|(_, v)| *v = value);
    }
    Ok(values)
}

/// The variables that the host sets.
pub(super) fn host_variables(gadget: &Gadget, options: &Options<'_>) -> Vec<(String, Vec<u8>)> {
    let given = options.variables.iter();
    given.filter_map(|(name, value)| Some((gadget.host_variables.get(name)?.clone(), value.clone()))).collect()
}

/// The host's interface that the user names for classifiers.
pub(super) fn interface(values: &[(&ParamSpec, &str)]) -> Option<String> {
    let named = values.iter().find(|(param, value)| param.key == INTERFACE && param.variable.is_empty() && !value.is_empty());
    named.map(|(_, value)| (*value).to_owned())
}

/// The packet filters that users set, compiled, by the function that each goes to.
pub(super) fn packet_filters(gadget: &Gadget, values: &[(&ParamSpec, &str)]) -> Result<Vec<(String, Vec<bpf_insn>)>, LoadError> {
    let set = values.iter().filter(|(param, value)| param.variable.is_empty() && !value.is_empty());
    let filters = set.filter_map(|(param, value)| Some((param, value, gadget.packet_filters.iter().find(|(key, _)| *key == param.key)?)));
    let compile = |(param, value, (_, function)): (&&ParamSpec, &&str, &(String, String))| {
        let code = packetfilter::compile(value).map_err(|e| bad_parameter(gadget, param, value, e))?;
        Ok((function.clone(), code))
    };
    filters.map(compile).collect()
}

/// The variables that parameters set. An empty default leaves the object's own value.
pub(super) fn globals(gadget: &Gadget, values: &[(&ParamSpec, &str)]) -> Result<Vec<(String, Vec<u8>)>, LoadError> {
    let mut globals = Vec::with_capacity(values.len() + 1);
    for (param, value) in values {
        if value.is_empty() && param.default.is_empty() {
            continue;
        }
        let bytes = param.encode(value).map_err(|e| bad_parameter(gadget, param, value, e))?;
        if !param.variable.is_empty() {
            globals.push((param.variable.clone(), bytes));
        }
    }
    Ok(globals)
}

fn bad_parameter(gadget: &Gadget, param: &ParamSpec, value: &str, source: impl std::error::Error + Send + Sync + 'static) -> LoadError {
    let gadget = gadget.identity.name.clone();
    LoadError::Parameter { gadget, key: param.key.clone(), value: value.to_owned(), source: Box::new(source) }
}
